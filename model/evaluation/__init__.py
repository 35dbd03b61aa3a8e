"""What `alsobought evaluate` compares: this model beside other methods on the same purchases."""
